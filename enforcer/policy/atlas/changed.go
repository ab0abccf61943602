package atlas

import "iter"

// Changed gives, in order, the keys of which a and b do not know the same. It
// does not look into what the two share.
func Changed[K Key[K], V comparable](a, b Map[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		before, after := cursor[K, V]{pages: a.pages}, cursor[K, V]{pages: b.pages}
		for {
			switch {
			case before.meets(&after):
				before.turn()
				after.turn()
				continue
			case before.ended() && after.ended():
				return
			}
			old, now := before.key(), after.key()
			var order int
			switch {
			case before.ended():
				order = 1
			case after.ended():
				order = -1
			default:
				order = old.key.Compare(now.key)
			}
			key := now.key
			if order <= 0 {
				key = old.key
				before.step()
			}
			if order >= 0 {
				after.step()
			}
			if (order != 0 || old.value != now.value) && !yield(key) {
				return
			}
		}
	}
}

// cursor is a place in a Map.
type cursor[K Key[K], V any] struct {
	pages []page[K, V] // that of the place first
	at    int
}

func (c *cursor[K, V]) ended() bool { return len(c.pages) == 0 }

// meets says whether both are at the beginning of one and the same page.
func (c *cursor[K, V]) meets(other *cursor[K, V]) bool {
	return c.at == 0 && other.at == 0 && !c.ended() && !other.ended() && &c.pages[0][0] == &other.pages[0][0]
}

func (c *cursor[K, V]) key() (e entry[K, V]) {
	if c.ended() {
		return e
	}
	return c.pages[0][c.at]
}

func (c *cursor[K, V]) step() {
	if c.at++; c.at == len(c.pages[0]) {
		c.turn()
	}
}

func (c *cursor[K, V]) turn() { c.pages, c.at = c.pages[1:], 0 }
