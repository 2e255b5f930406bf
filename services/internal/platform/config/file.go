package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// file is a settings file: values by the name of their flag. It ranks below
// the environment, which kong would not do by itself.
type file struct {
	path   string
	values map[string]string
}

// readFile reads YAML, of which JSON is a part. Nested keys are joined with a
// dash, so `grpc: {listen: ...}` is the flag --grpc-listen; underscores count as dashes.
func readFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read settings %s: %w", path, err)
	}
	f := &file{path: path, values: map[string]string{}}
	return f, f.flatten("", tree)
}

func (f *file) flatten(prefix string, tree map[string]any) error {
	for key, value := range tree {
		name := prefix + strings.ReplaceAll(key, "_", "-")
		switch value := value.(type) {
		case map[string]any:
			if err := f.flatten(name+"-", value); err != nil {
				return err
			}
			continue
		case []any:
			var items []string
			for _, item := range value {
				items = append(items, fmt.Sprint(item))
			}
			f.values[name] = strings.Join(items, ",")
			continue
		case nil:
			return fmt.Errorf("settings %s: %s has no value", f.path, name)
		}
		if _, twice := f.values[name]; twice {
			return fmt.Errorf("settings %s: %s is set twice", f.path, name)
		}
		f.values[name] = fmt.Sprint(value)
	}
	return nil
}

// Validate refuses keys that are no flag of any command.
func (f *file) Validate(app *kong.Application) error {
	known := map[string]bool{}
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		for _, flag := range n.Flags {
			known[flag.Name] = true
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(app.Node)
	var unknown []string
	for name := range f.values {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("settings %s: %w: %s", f.path, errKey, strings.Join(unknown, ", "))
	}
	return nil
}

// Resolve gives a flag its value unless the environment does.
func (f *file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	if v, ok := f.values[flag.Name]; ok {
		return v, nil
	}
	return nil, nil
}
