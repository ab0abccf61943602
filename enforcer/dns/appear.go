package dns

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// socketAppears tells when the unix socket of the session is created, so that
// a CoreDNS that starts is reached at once instead of after a pause. Where the
// directory cannot be watched the pauses, of less than a second, have to do. stop must
// be called.
func (s *session) socketAppears() (appeared <-chan struct{}, stop func()) {
	if !s.target.Unix() {
		return nil, func() {}
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, func() {}
	}
	if err := w.Add(filepath.Dir(s.address)); err != nil {
		w.Close()
		return nil, func() {}
	}
	signal, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if e.Name == s.address && e.Has(fsnotify.Create) {
					select {
					case signal <- struct{}{}:
					default:
					}
				}
			case _, ok := <-w.Errors:
				if !ok {
					return
				}
			}
		}
	}()
	return signal, func() { w.Close(); <-ended }
}
