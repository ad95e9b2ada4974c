package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
)

// writeVectors writes every file of test vectors into dir. The content depends on nothing but the linked packages.
func writeVectors(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range vectorFiles() {
		text, err := content()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func vectorFiles() map[string]func() ([]byte, error) {
	return map[string]func() ([]byte, error){
		"quantities.json":      quantityVectors,
		"label-selectors.json": labelSelectorVectors,
		"node-selectors.json":  nodeSelectorVectors,
		"tolerations.json":     tolerationVectors,
		"log.json":             logVectors,
	}
}

// jsonLines renders a list as a JSON array with one element a line, which keeps differences readable.
func jsonLines[T any](list []T) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, element := range list {
		text, err := compact(element)
		if err != nil {
			return nil, err
		}
		out.Write(text)
		if i < len(list)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]\n")
	return out.Bytes(), nil
}

// compact is JSON on one line, with < and > left readable.
func compact(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
