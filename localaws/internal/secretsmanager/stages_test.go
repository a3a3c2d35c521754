package secretsmanager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
)

// step is one change of a secret's versions: "put v2", "put v2 AWSPENDING,X", "update v2" or "move LABEL FROM TO" with
// "-" for a version that is not given. want is the error's code.
type step struct{ do, want string }

func TestStagesMove(t *testing.T) {
	atFirst := map[string]string{"v1": "AWSCURRENT"}
	for name, tc := range map[string]struct {
		steps []step
		want  map[string]string // labels by version, sorted
	}{
		"created":           {nil, atFirst},
		"put moves current": {[]step{{do: "put v2"}}, map[string]string{"v2": "AWSCURRENT", "v1": "AWSPREVIOUS"}},
		"update does too":   {[]step{{do: "update v2"}}, map[string]string{"v2": "AWSCURRENT", "v1": "AWSPREVIOUS"}},
		"third drops first": {
			[]step{{do: "put v2"}, {do: "put v3"}},
			map[string]string{"v3": "AWSCURRENT", "v2": "AWSPREVIOUS"},
		},
		"pending stays back": {[]step{{do: "put v2 AWSPENDING"}}, map[string]string{"v1": "AWSCURRENT", "v2": "AWSPENDING"}},
		"label moves with put": {
			[]step{{do: "put v2 blue"}, {do: "put v3 blue,green"}},
			map[string]string{"v1": "AWSCURRENT", "v3": "blue,green"},
		},
		"put current by name": {
			[]step{{do: "put v2 AWSCURRENT,blue"}},
			map[string]string{"v1": "AWSPREVIOUS", "v2": "AWSCURRENT,blue"},
		},
		"promote pending": {
			[]step{{do: "put v2 AWSPENDING"}, {do: "move AWSCURRENT v1 v2"}, {do: "move AWSPENDING v2 -"}},
			map[string]string{"v1": "AWSPREVIOUS", "v2": "AWSCURRENT"},
		},
		"roll back swaps": {
			[]step{{do: "put v2"}, {do: "move AWSCURRENT v2 v1"}},
			map[string]string{"v1": "AWSCURRENT", "v2": "AWSPREVIOUS"},
		},
		"roll back over three": {
			[]step{{do: "put v2"}, {do: "put v3"}, {do: "move AWSCURRENT v3 v1"}},
			map[string]string{"v1": "AWSCURRENT", "v3": "AWSPREVIOUS"},
		},
		"move needs the holder": {
			[]step{{do: "put v2"}, {"move AWSCURRENT - v1", "InvalidParameterException"}},
			map[string]string{"v2": "AWSCURRENT", "v1": "AWSPREVIOUS"},
		},
		"move refuses another holder": {
			[]step{{do: "put v2"}, {"move AWSCURRENT v1 v1", "InvalidParameterException"}},
			map[string]string{"v2": "AWSCURRENT", "v1": "AWSPREVIOUS"},
		},
		"custom label too": {
			[]step{{do: "put v2 blue"}, {"move blue - v1", "InvalidParameterException"}, {do: "move blue v2 v1"}},
			map[string]string{"v1": "AWSCURRENT,blue"},
		},
		"new label needs no holder":   {[]step{{do: "move blue - v1"}}, map[string]string{"v1": "AWSCURRENT,blue"}},
		"to the holder is no change":  {[]step{{do: "move AWSCURRENT - v1"}}, atFirst},
		"current cannot be removed":   {[]step{{"move AWSCURRENT v1 -", "InvalidParameterException"}}, atFirst},
		"remove what is not attached": {[]step{{"move blue v1 -", "InvalidParameterException"}}, atFirst},
		"neither version given":       {[]step{{"move blue - -", "InvalidParameterException"}}, atFirst},
		"unknown target":              {[]step{{"move blue - v9", "ResourceNotFoundException"}}, atFirst},
		"unknown source":              {[]step{{"move blue v9 v1", "ResourceNotFoundException"}}, atFirst},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.create(t, "s")
			for _, st := range tc.steps {
				if got := code(b.step(t, st.do)); got != st.want {
					t.Fatalf("%s: got %q, want %q", st.do, got, st.want)
				}
			}
			if diff := cmp.Diff(tc.want, b.labels(t)); diff != "" {
				t.Error(diff)
			}
			// what DescribeSecret shows must be what a reader gets
			for v, labels := range tc.want {
				for label := range strings.SplitSeq(labels, ",") {
					out, err := b.as("root").GetSecretValue(t.Context(), &sm.GetSecretValueInput{
						SecretId: aws.String("s"), VersionStage: &label,
					})
					if must(t, out, err); *out.VersionId != token(v) {
						t.Errorf("%s is read from %s, want %s", label, *out.VersionId, v)
					}
				}
			}
		})
	}
}

// step performs a step and gives its error.
func (b *bench) step(t *testing.T, do string) error {
	t.Helper()
	words := strings.Fields(do)
	id := func(v string) *string {
		if v == "-" {
			return nil
		}
		return aws.String(token(v))
	}
	content := aws.String("obviously-fake-" + words[1])
	var err error
	switch words[0] {
	case "put":
		in := &sm.PutSecretValueInput{SecretId: aws.String("s"), SecretString: content, ClientRequestToken: id(words[1])}
		if len(words) > 2 {
			in.VersionStages = strings.Split(words[2], ",")
		}
		_, err = b.as("root").PutSecretValue(t.Context(), in)
	case "update":
		_, err = b.as("root").UpdateSecret(t.Context(), &sm.UpdateSecretInput{
			SecretId: aws.String("s"), SecretString: content, ClientRequestToken: id(words[1]),
		})
	case "move":
		_, err = b.as("root").UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
			SecretId: aws.String("s"), VersionStage: &words[1],
			RemoveFromVersionId: id(words[2]), MoveToVersionId: id(words[3]),
		})
	default:
		t.Fatalf("unknown step %q", do)
	}
	return err
}

// labels is DescribeSecret's map in the table's notation.
func (b *bench) labels(t *testing.T) map[string]string {
	t.Helper()
	out, err := b.as("root").DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("s")})
	must(t, out, err)
	got := map[string]string{}
	for id, labels := range out.VersionIdsToStages {
		slices.Sort(labels)
		got[strings.TrimRight(id, "-")] = strings.Join(labels, ",")
	}
	return got
}

func TestFirstVersionIsCurrentWhateverItsLabel(t *testing.T) {
	b := newBench(t)
	out, err := b.as("root").CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("s")})
	if must(t, out, err); out.VersionId != nil {
		t.Errorf("a secret without a value has version %s", *out.VersionId)
	}
	_, err = b.as("root").GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("s")})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("reading a secret without a value: %v", err)
	}
	if err := b.step(t, "put v1 AWSPENDING"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"v1": "AWSCURRENT,AWSPENDING"}, b.labels(t)); diff != "" {
		t.Error(diff)
	}
}

func TestDeprecatedVersions(t *testing.T) {
	b := newBench(t)
	b.create(t, "s")
	for i := 2; i <= maxVersions; i++ {
		if err := b.step(t, fmt.Sprintf("put v%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(v string) string {
		_, err := b.as("root").GetSecretValue(t.Context(), &sm.GetSecretValueInput{
			SecretId: aws.String("s"), VersionId: aws.String(token(v)),
		})
		return code(err)
	}
	if got := read("v1"); got != "" {
		t.Errorf("a deprecated version cannot be read by id: %s", got)
	}
	if got := code(b.step(t, "put v101")); got != "LimitExceededException" {
		t.Errorf("version 101 within a day: %q", got)
	}
	b.now = b.now.Add(24 * time.Hour)
	if err := b.step(t, "put v101"); err != nil {
		t.Fatal(err)
	}
	if got := read("v1"); got != "ResourceNotFoundException" {
		t.Errorf("the oldest version after the hundredth: %q", got)
	}
	count := func(deprecated bool) (n int) {
		pages := sm.NewListSecretVersionIdsPaginator(b.as("root"), &sm.ListSecretVersionIdsInput{
			SecretId: aws.String("s"), IncludeDeprecated: &deprecated, MaxResults: aws.Int32(30),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			n += len(must(t, page, err).Versions)
		}
		return n
	}
	if all, labelled := count(true), count(false); all != maxVersions || labelled != 2 {
		t.Errorf("listed %d versions and %d with labels, want %d and 2", all, labelled, maxVersions)
	}
}
