package saga

// Knows returns why a row that has not ended cannot go on: an error wrapping
// ErrUnknownKind when its definition is missing or has changed.
func (e *Engine) Knows(row *Row) error {
	if row.State.Ended() {
		return nil
	}
	_, err := e.planOf(row)
	return err
}
