BUF_VERSION := v1.75.0
MODCACHE := $(shell go env GOMODCACHE)
GW1 := github.com/grpc-ecosystem/grpc-gateway@v1.16.0
GW2 := github.com/grpc-ecosystem/grpc-gateway/v2@v2.33.0

.cache/proto/.stamp: Makefile
	cd gen && GOWORK=off go mod download $(GW1) $(GW2)
	rm -rf .cache/proto && mkdir -p .cache/proto/protoc-gen-openapiv2/options
	cp -r $(MODCACHE)/$(GW1)/third_party/googleapis/google .cache/proto/
	cp $(MODCACHE)/$(GW2)/protoc-gen-openapiv2/options/*.proto .cache/proto/protoc-gen-openapiv2/options/
	chmod -R u+w .cache/proto && touch $@

.bin/buf: Makefile
	GOBIN=$(CURDIR)/.bin go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)

generate: .bin/buf .cache/proto/.stamp ## regenerate gen/ from proto/
	.bin/buf generate
