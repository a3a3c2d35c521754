//go:build tools

// Package zdeps holds pins for packages that are about to arrive.
package zdeps

import (
	_ "github.com/vbauerster/mpb/v8"
	_ "github.com/zricethezav/gitleaks/v8/detect"
	_ "helm.sh/helm/v4/pkg/downloader"
)
