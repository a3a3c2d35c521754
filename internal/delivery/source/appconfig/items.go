package appconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/internal/document"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// grammar is how references stand in a text. Its zero value is a text that has none.
type grammar struct {
	find   func(text string) ([]reference.Reference, error)
	expand func(ctx context.Context, text string, resolve resolve) (secret.Value, error)
}

type resolve = func(ctx context.Context, r reference.Reference) (secret.Value, error)

var (
	inText = grammar{reference.Find, reference.Expand}
	inJSON = grammar{reference.FindJSON, reference.ExpandJSON}
)

// part is what the document has for one item, before its references are resolved.
type part struct {
	item    Item
	text    secret.Value
	grammar grammar
	refs    []reference.Reference
}

// snapshot makes a snapshot of the newest document.
func (s *Source) snapshot(ctx context.Context) (delivery.Snapshot, error) {
	parts, err := s.read()
	if err != nil {
		return delivery.Snapshot{}, blame.On(problem.New(problem.Refused,
			"deploy a corrected document; the values delivered before stay in place", "%w", err), blame.Document)
	}
	var refs []reference.Reference
	for _, p := range parts {
		for _, ref := range p.refs {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	resolved := map[reference.Reference]reference.Resolved{}
	if len(refs) > 0 {
		if s.cfg.Resolver == nil {
			return delivery.Snapshot{}, fmt.Errorf("the document has references and nothing resolves them")
		}
		if resolved, err = s.cfg.Resolver.Resolve(ctx, refs); err != nil {
			return delivery.Snapshot{}, err
		}
	}
	items := make([]delivery.Item, len(parts))
	for i, p := range parts {
		if items[i], err = s.item(ctx, p, resolved); err != nil {
			return delivery.Snapshot{}, blame.On(fmt.Errorf("item %s: %w", p.item.Name, err), blame.Document)
		}
	}
	return delivery.NewSnapshot(items...)
}

// read takes the parts of all items from the document. Of those that are missing and optional there is none.
func (s *Source) read() ([]part, error) {
	if s.document.Len() > maxDocument {
		return nil, fmt.Errorf("the document has %d bytes, more than %d", s.document.Len(), maxDocument)
	}
	data := s.document.Reveal()
	var parts []part
	var object *document.Object
	for _, item := range s.cfg.Items {
		var p part
		var err error
		if item.Field == "" {
			p, err = s.whole(data)
		} else {
			if object == nil {
				parsed, err := document.Parse(data)
				if err != nil {
					return nil, fmt.Errorf("the document: %w", err)
				}
				object = &parsed
			}
			p, err = s.field(*object, item)
		}
		switch {
		case err == nil:
			p.item = item
			parts = append(parts, p)
		case item.Optional && errors.Is(err, document.ErrMissing):
		default:
			return nil, fmt.Errorf("item %s: %w", item.Name, err)
		}
	}
	return parts, nil
}

// whole is the document itself. One that is not JSON may have no reference: nothing is known of its grammar, so a value
// with a line end or a quote would change what stands around it, and whoever writes a secret could write the document.
func (s *Source) whole(data []byte) (part, error) {
	p := part{text: s.document}
	if s.cfg.Verbatim {
		return p, nil
	}
	if err := document.Check(data); err == nil {
		p.grammar = inJSON
	} else if isJSON(s.contentType) {
		return p, fmt.Errorf("the document: %w", err)
	} else if i := strings.Index(string(data), reference.Opening); i >= 0 {
		return p, fmt.Errorf("the document has a reference at byte %d and is not JSON: only in JSON a value cannot change "+
			"what stands around it", i)
	}
	return p.found()
}

// field is the string, number or boolean of a member.
func (s *Source) field(object document.Object, item Item) (part, error) {
	text, err := object.Text(item.Field)
	if err != nil {
		return part{}, err
	}
	p := part{text: secret.FromString(text)}
	if !s.cfg.Verbatim {
		p.grammar = inText
	}
	if p, err = p.found(); err != nil {
		return p, fmt.Errorf("field %s: %w", item.Field, err)
	}
	return p, nil
}

// found is the part with its references.
func (p part) found() (part, error) {
	if p.grammar.find == nil {
		return p, nil
	}
	var err error
	p.refs, err = p.grammar.find(string(p.text.Reveal()))
	return p, err
}

// item puts what was resolved into the text of a part.
func (s *Source) item(ctx context.Context, p part, resolved map[reference.Reference]reference.Resolved) (
	delivery.Item, error,
) {
	item := delivery.Item{Name: p.item.Name, Value: p.text, Version: s.label, About: delivery.About{Label: s.label}}
	if p.item.Field == "" {
		item.About.ContentType = s.contentType
	}
	if len(p.refs) > 0 {
		var versions []string
		var err error
		item.Value, err = p.grammar.expand(ctx, string(p.text.Reveal()),
			func(_ context.Context, ref reference.Reference) (secret.Value, error) {
				got, ok := resolved[ref]
				if !ok {
					return secret.Value{}, fmt.Errorf("secret %s was not resolved", ref.SecretID)
				}
				if !slices.Contains(versions, got.Version) {
					versions = append(versions, got.Version)
				}
				return got.Value, nil
			})
		if err != nil {
			return delivery.Item{}, err
		}
		item.Version = strings.Join(versions, "+")
	}
	if item.Version == "" {
		item.Version = item.Value.Fingerprint()
	}
	return item, nil
}

// isJSON says that a media type promises JSON.
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}
