package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/redact"
)

// Size is a number of bytes, written as 512, 64KiB, 8MiB, 2GiB, or with KB, MB, GB in thousands.
type Size int64

var units = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a size; negative and overflowing ones are refused.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		*s = Size(n * u.bytes)
		return nil
	}
	return errors.New("must be a size such as 64MiB")
}

// String writes the size in the largest binary unit that divides it.
func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := units[i]; s >= Size(u.bytes) && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Duration is a length of time above zero, written as 250ms, 10s, 5m, 720h or 30d.
type Duration time.Duration

// UnmarshalText reads a duration; zero and negative ones are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 32); err == nil && n > 0 && n < 100_000 {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return errors.New("must be a length of time above zero such as 10s, 5m or 30d")
	}
	*d = Duration(v)
	return nil
}

// String writes the duration as Go does.
func (d Duration) String() string { return time.Duration(d).String() }

// Address is host:port to listen on or to call; the host may be empty, the port may be 0.
type Address string

// UnmarshalText reads an address.
func (a *Address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be an address such as 127.0.0.1:8080")
	}
	*a = Address(text)
	return nil
}

// Secret is a setting that prints a placeholder everywhere.
type Secret string

// String returns the placeholder, or "" when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redact.Placeholder
}

// GoString returns what String does.
func (s Secret) GoString() string { return s.String() }

// LogValue is what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what String returns; JSON uses it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

// Telemetry is embedded by programs that log and trace.
type Telemetry struct {
	LogFile      string     `help:"Write the log to this file instead of standard error." placeholder:"FILE" type:"path"`
	LogLevel     slog.Level `help:"Lowest level that is logged: DEBUG, INFO, WARN or ERROR." default:"INFO"`
	OTLPEndpoint string     `name:"otlp-endpoint" help:"Address of an OpenTelemetry collector that takes traces over gRPC; none when empty." placeholder:"HOST:PORT"`
	TraceFile    string     `help:"File that gets one JSON line per span; none when empty." placeholder:"FILE" type:"path"`
	TraceFileMax Size       `help:"Size at which the trace file is put aside as FILE.1." default:"64MiB"`
}

// Setup makes the telemetry of a process. The returned function flushes and
// closes it, last of all parts, and may be called twice.
func (t Telemetry) Setup(ctx context.Context, service, version string) (*obs.Telemetry, func(context.Context) error, error) {
	var log *os.File
	if t.LogFile != "" {
		var err error
		if log, err = os.OpenFile(t.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, nil, fmt.Errorf("open the log file: %w", err)
		}
	}
	o := obs.Options{
		Service: service, Version: version, LogLevel: t.LogLevel,
		OTLPEndpoint: t.OTLPEndpoint, TraceFile: t.TraceFile, TraceFileMax: int64(t.TraceFileMax),
	}
	if log != nil {
		o.LogWriter = log
	}
	tel, err := obs.Setup(ctx, o)
	if err != nil {
		if log != nil {
			_ = log.Close()
		}
		return nil, nil, fmt.Errorf("set up telemetry: %w", err)
	}
	return tel, func(ctx context.Context) error {
		err := tel.Shutdown(ctx)
		if log != nil {
			err = errors.Join(err, log.Close())
			log = nil
		}
		return err
	}, nil
}
