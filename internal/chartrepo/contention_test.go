package chartrepo_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/localaws"
)

const localBucket = "charts"

// localAWS starts an S3 with one bucket.
func localAWS(t testing.TB) *localaws.Server {
	t.Helper()
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client := awss3.NewFromConfig(rootConfig(server), func(o *awss3.Options) { o.UsePathStyle = true })
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: aws.String(localBucket), CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(server.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func rootConfig(server *localaws.Server) aws.Config {
	id, key := server.RootKeys()
	return aws.Config{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
}

// distant adds to each call the time that it takes to reach a region's S3.
type distant struct {
	http.RoundTripper
	latency time.Duration
}

func (d distant) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(d.latency)
	return d.RoundTripper.RoundTrip(r)
}

// BenchmarkPublishers is how long it takes until the last of many publishers that start at once is done, on an S3 that
// answers after 30 ms, and how many calls each of them makes. The publishers share a process, for a machine that runs
// two hundred at once would measure the starting of processes.
func BenchmarkPublishers(b *testing.B) {
	const most = 200
	packages := make([]chartrepo.Package, most)
	for i := range packages {
		packages[i] = pack(b, chartYAML("app", fmt.Sprintf("1.%d.0", i)))
	}
	for _, versions := range []int{0, 5000} {
		for _, n := range []int{1, 20, most} {
			b.Run(fmt.Sprintf("versions=%d/publishers=%d", versions, n), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					server := localAWS(b)
					if versions > 0 {
						body := corpus(versions)
						_, err := s3.Open(rootConfig(server), localBucket, "").Create(b.Context(), "index.yaml", objstore.Content{Body: body})
						if err != nil {
							b.Fatal(err)
						}
					}
					b.StartTimer()
					publishAtOnce(b, server, packages[:n])
					calls := server.Calls()
					for _, action := range []string{"GetObject", "PutObject", "ListBucket", "DeleteObject"} {
						b.ReportMetric(float64(calls["s3:"+action])/float64(n), action+"/publisher")
					}
				}
			})
		}
	}
}

func publishAtOnce(b *testing.B, server *localaws.Server, packages []chartrepo.Package) {
	times := make([]time.Duration, len(packages))
	var group sync.WaitGroup
	for i, p := range packages {
		group.Go(func() {
			cfg := rootConfig(server)
			cfg.HTTPClient = &http.Client{Transport: distant{http.DefaultTransport.(*http.Transport).Clone(), 30 * time.Millisecond}}
			r := chartrepo.New(s3.Open(cfg, localBucket, ""), chartrepo.Options{})
			start := time.Now()
			if _, err := r.Publish(b.Context(), p); err != nil {
				b.Error(err)
			}
			times[i] = time.Since(start)
		})
	}
	group.Wait()
	slices.Sort(times)
	b.ReportMetric(times[len(times)/2].Seconds(), "s-median")
}

// configFromEnvironment points at the server whose Environ a process was started with.
func configFromEnvironment() aws.Config {
	return aws.Config{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	}
}
