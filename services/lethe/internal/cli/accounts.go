package cli

import (
	"fmt"
	"os"
	"path/filepath"
)

// Account holds the commands about companies' desks.
type Account struct {
	Create AccountCreate `cmd:"" help:"Make a further account with its first administrator; only an administrator of account 1 may."`
}

// AccountCreate makes one.
type AccountCreate struct {
	Name       string `help:"The company's name." required:"" placeholder:"NAME" env:"-"`
	AdminEmail string `help:"The first administrator's e-mail address." required:"" placeholder:"ADDRESS" env:"-"`
	AdminName  string `help:"The first administrator's name." required:"" placeholder:"NAME" env:"-"`
	KeyOut     string `help:"File for the administrator's API key, which is told this once; it must not exist yet." required:"" placeholder:"FILE" type:"path" env:"-"`
}

// Run makes the account. The key goes into a file, not to the screen, where it would stay.
func (c AccountCreate) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	// The file is made first: a key that cannot be kept is not asked for.
	f, err := os.OpenFile(c.KeyOut, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if os.IsExist(err) {
		return exit(ExitUsage, "%s exists already; name another file with --key-out", filepath.Base(c.KeyOut))
	}
	if err != nil {
		return fmt.Errorf("make the file for the key: %w", err)
	}
	defer f.Close()
	account, err := client.CreateAccount(s.ctx, c.Name, c.AdminEmail, c.AdminName, newKey())
	if err != nil {
		_ = os.Remove(c.KeyOut)
		return err
	}
	if _, err := fmt.Fprintln(f, account.Secret); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	if s.cli.JSON {
		return s.print(map[string]any{"account": account.Account.ID, "admin_id": account.AdminID, "key_file": c.KeyOut})
	}
	fmt.Fprintf(s.env.Stdout, "account %d with administrator %d; the API key lies in %s\n", account.Account.ID, account.AdminID, c.KeyOut)
	return nil
}
