//go:build tools

// Package tools pins the packages that the test cluster builds.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
