//go:build tools

// Package tools pins the packages that the test cluster builds.
package tools

import _ "go.etcd.io/etcd/server/v3"
