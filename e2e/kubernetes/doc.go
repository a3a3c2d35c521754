// Package kubernetes runs the chart on a real Kubernetes: etcd, API server, controller manager, scheduler, and a
// kubelet with containerd that runs real pods, in namespaces that the tests make for themselves (package cluster).
// It is a module of its own, so that nobody who uses pinnace downloads what only these tests need.
//
//	PINNACE_E2E_BUILD=1 go test -v ./...
//
// or make e2e builds and downloads into a cache what is not there (package tools), which takes minutes the first time.
// Without the variable, without root or namespaces, or where there is no apt-get, the tests are skipped.
package kubernetes
