package chartrepo_test

import (
	"bytes"
	"fmt"
)

// corpus is an index as our own writes are: 50 charts, as many versions in all, about 650 bytes each.
func corpus(versions int) []byte {
	const charts = 50
	var b bytes.Buffer
	b.WriteString(`{"apiVersion":"v1","generated":"2026-11-05T06:07:08Z","entries":{`)
	for c := range charts {
		if c > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"app-%02d":[`, c)
		for v := versions/charts - 1; v >= 0; v-- {
			fmt.Fprintf(&b, `{"name":"app-%02d","home":"https://git.example.com/platform/app-%02d","sources":`+
				`["https://git.example.com/platform/app-%02d","https://git.example.com/platform/charts"],"version":"1.%d.%d",`+
				`"description":"Installs the service app-%02d with its configuration, probes and dashboards","keywords":`+
				`["service","platform","http"],"maintainers":[{"name":"Platform Team","email":"platform@example.com"}],`+
				`"icon":"https://static.example.com/icons/app-%02d.svg","apiVersion":"v2","appVersion":"%d.%d.0","annotations":`+
				`{"example.com/owner":"team-%02d"},"kubeVersion":">=1.28.0-0","type":"application","urls":["app-%02d-1.%d.%d.tgz"],`+
				`"created":"2026-10-05T06:07:08.123456789Z","digest":"%064x"}`,
				c, c, c, v/10, v%10, c, c, v/7, v%7, c, c, v/10, v%10, c*1000003+v)
			if v > 0 {
				b.WriteByte(',')
			}
		}
		b.WriteByte(']')
	}
	b.WriteString(`}}`)
	return b.Bytes()
}
