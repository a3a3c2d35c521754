package cli

import (
	"context"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// uploads shows a bar for each object on its way to S3. A nil *uploads shows nothing.
type uploads struct {
	start    func() *mpb.Progress
	mu       sync.Mutex
	progress *mpb.Progress       // nil until the first upload
	bars     map[string]*mpb.Bar // by the object's path
}

// newUploads draws on standard error if that is a terminal, and nothing else is written there. The bars have no
// colours.
func (a *app) newUploads(ctx context.Context) *uploads {
	if a.verbose || !a.isTerminal(a.Err) {
		return nil
	}
	start := func() *mpb.Progress { return mpb.NewWithContext(ctx, mpb.WithOutput(a.Err), mpb.WithWidth(40)) }
	return &uploads{start: start, bars: map[string]*mpb.Bar{}}
}

// watch makes a client whose uploads are seen. A nil client is the SDK's own.
func (u *uploads) watch(next aws.HTTPClient) aws.HTTPClient {
	if u == nil {
		return next
	}
	if next == nil {
		next = awshttp.NewBuildableClient()
	}
	return watched{u, next}
}

type watched struct {
	*uploads
	next aws.HTTPClient
}

// Do implements aws.HTTPClient.
func (w watched) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && r.ContentLength > 0 && r.Body != nil && isShown(r.URL.Path) {
		r.Body = struct {
			io.Reader
			io.Closer
		}{&counter{r.Body, w.bar(r.URL.Path, r.ContentLength), 0}, r.Body}
	}
	return w.next.Do(r)
}

// isShown leaves out what is written for other publishers.
func isShown(key string) bool {
	return strings.HasSuffix(key, ".tgz") || strings.HasSuffix(key, ".prov") || path.Base(key) == "index.yaml"
}

// bar is the one of an object; an upload that is repeated starts it anew.
func (u *uploads) bar(key string, size int64) *mpb.Bar {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.progress == nil {
		u.progress = u.start()
	}
	bar, ok := u.bars[key]
	if !ok {
		bar = u.progress.AddBar(0, // a bar without a total does not end by itself
			mpb.PrependDecorators(decor.Name(path.Base(key), decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
		u.bars[key] = bar
	}
	bar.SetTotal(size, false)
	bar.SetCurrent(0)
	return bar
}

// counter moves a bar as it is read.
type counter struct {
	io.Reader
	bar  *mpb.Bar
	read int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	c.bar.SetCurrent(c.read)
	return n, err
}

// finish leaves the bars as they are, and the terminal to others.
func (u *uploads) finish() {
	if u == nil || u.progress == nil {
		return
	}
	for _, bar := range u.bars {
		if bar.EnableTriggerComplete(); !bar.Completed() {
			bar.Abort(false)
		}
	}
	u.progress.Wait()
}
