package loopback

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/delivery"
)

// configuration is an item as AppConfig's clients see it.
type configuration struct {
	item   string
	had    bool // false for an optional item that the snapshot lacks; the rest is empty then
	header map[string][]string
	body   hidden
	print  string // tells versions apart in a session's token; says nothing of the value
	flags  map[string]flag
}

// flag is a member of a document, as its own answer and as a part of one.
type flag struct{ whole, part hidden }

func newConfiguration(name string, item delivery.Item, had bool) *configuration {
	if !had {
		return &configuration{item: name}
	}
	body := item.Value.Reveal()
	contentType := item.About.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
		if json.Valid(body) {
			contentType = "application/json"
		}
	}
	c := &configuration{
		item: name, had: true, body: hide(body), flags: newFlags(body),
		header: map[string][]string{"Content-Type": {contentType}, "Content-Length": {strconv.Itoa(len(body))}},
	}
	if item.Version != "" {
		c.header["Configuration-Version"] = []string{item.Version}
	}
	if item.About.Label != "" {
		c.header["Version-Label"] = []string{item.About.Label}
	}
	c.print = printOf(item.Version, item.About.Label, contentType, item.Value.Fingerprint())
	return c
}

// printOf is a digest of texts that are not secret.
func printOf(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// newFlags takes a JSON document apart. As with AWS's agent, a flag is a member that is an object. A document that is
// no object has none.
func newFlags(body []byte) map[string]flag {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	flags := map[string]flag{}
	for key, value := range members {
		if len(value) == 0 || value[0] != '{' {
			continue
		}
		var part bytes.Buffer
		quoted, err := json.Marshal(key)
		if err != nil || json.Compact(&part, value) != nil {
			continue // not with what was just parsed
		}
		flags[key] = flag{whole: hide(value), part: hide(slices.Concat(quoted, []byte(":"), part.Bytes()))}
	}
	return flags
}

// pick makes the answer for the flags that were asked for: one as it stands in the document, several as an object with
// their keys in order. It says which ones are not there.
func (c *configuration) pick(keys []string) (body []byte, missing []string) {
	slices.Sort(keys)
	keys = slices.Compact(keys)
	size := 2
	for _, key := range keys {
		f, ok := c.flags[key]
		if !ok {
			missing = append(missing, key)
			continue
		}
		size += len(f.part()) + 1
	}
	if missing != nil {
		return nil, missing
	}
	if len(keys) == 1 {
		return c.flags[keys[0]].whole(), nil
	}
	body = make([]byte, 0, size)
	for i, key := range keys {
		body = append(append(body, "{,"[min(i, 1)]), c.flags[key].part()...)
	}
	return append(body, '}'), nil
}
