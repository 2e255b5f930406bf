package mongo

import (
	"context"
	"errors"
	"fmt"

	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// The codes of a server that was given too much.
const (
	codeTooLarge       = 10334
	codeMessageTooLong = 17419
)

// failure brings an error of the driver under those of the port. Texts of the
// server never pass: they quote what was written.
func failure(ctx context.Context, err error) error {
	var se driver.ServerError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, driver.ErrNoDocuments):
		return docstore.ErrNotFound
	case driver.IsDuplicateKeyError(err):
		return docstore.ErrExists
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case driver.IsTimeout(err):
		return fmt.Errorf("%w: MongoDB did not answer in time", docstore.ErrUnavailable)
	case errors.As(err, &se):
		if se.HasErrorCode(codeTooLarge) || se.HasErrorCode(codeMessageTooLong) {
			return docstore.ErrTooLarge
		}
		return fmt.Errorf("%w: MongoDB answered with error %v", docstore.ErrUnavailable, se.ErrorCodes())
	case driver.IsNetworkError(err):
		return fmt.Errorf("%w: MongoDB cannot be reached", docstore.ErrUnavailable)
	}
	return fmt.Errorf("%w: the MongoDB driver failed", docstore.ErrUnavailable)
}
