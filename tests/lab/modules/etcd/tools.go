//go:build tools

// Package tools pins what `rauta-lab build` builds.
package tools

import _ "go.etcd.io/etcd/server/v3"
