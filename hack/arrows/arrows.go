// Package arrows holds the project to its layers: which package may import
// which, and that each says in one comment what it knows. It has tests only.
package arrows
