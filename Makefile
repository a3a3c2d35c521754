# The few things one types. CI runs .ci/run, which calls the same commands.
GOLANGCI = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: build image test e2e lint demo golden fuzz ci

build: ## the commands into bin/, stripped
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/ ./cmd/...

image: ## the agent for two architectures, as bin/pinnace-agent.tar (build/image)
	mkdir -p bin
	go run ./build/image -archive bin/pinnace-agent.tar -ref pinnace-dev/pinnace-agent:dev ./cmd/pinnace-agent

test: ## what needs Go and git alone; the rest skips aloud
	go test ./...

e2e: ## the chart on a real Kubernetes, as root; builds what is missing (minutes, once)
	cd e2e/kubernetes && PINNACE_E2E_BUILD=1 go test -v -count=1 -timeout 40m ./...

lint: ## formatting, mistakes, and who may import what
	$(GOLANGCI) run

demo: ## the whole delivery on this machine
	go run ./cmd/pinnace demo

golden: ## rewrite golden renders and generated references after a wanted change
	go test ./charts ./internal/cli ./internal/agent/settings ./internal/infralint ./internal/overlay -update
	PINNACE_GOLDEN=1 ./.ci/terraform

fuzz: ## half a minute for each fuzz target
	./.ci/fuzz 30s

ci: ## everything, as CI does it
	./.ci/run
