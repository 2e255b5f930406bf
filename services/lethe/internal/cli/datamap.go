package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/lethe-desk/lethe/services/internal/platform/datamap"
)

// DataMap prints the register of what is held of people. It is read from the
// contract this program was built from, so no suite has to run.
type DataMap struct {
	Format string `help:"How: json, csv (the fields), flows-csv (who hands what to whom) or svg (a picture)." enum:"json,csv,flows-csv,svg" default:"json" placeholder:"FORMAT" env:"-"`
	Out    string `help:"File to write; standard output when empty." placeholder:"FILE" type:"path" env:"-"`
}

// Run writes the map.
func (c DataMap) Run(s *session) error {
	m := datamap.Read()
	var b bytes.Buffer
	var err error
	switch c.Format {
	case "csv":
		err = m.RowsCSV(&b)
	case "flows-csv":
		err = m.FlowsCSV(&b)
	case "svg":
		err = m.SVG(&b)
	default:
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		err = enc.Encode(m)
	}
	if err != nil {
		return fmt.Errorf("draw the data map: %w", err)
	}
	if c.Out == "" {
		_, err = s.env.Stdout.Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(c.Out, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the data map: %w", err)
	}
	return nil
}
