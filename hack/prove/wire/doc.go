// Package wire makes frames, sound ones and odd ones, and says what a
// receiver's own IP stack would make of any frame.
//
// It knows the RFCs of IP and its transport protocols and how Linux reads them,
// and nothing of how packets are judged: it is what the judgement is tested
// against. It must not share code or a reading of a header with package bpf.
package wire
