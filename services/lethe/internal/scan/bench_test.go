package scan

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkStream seeks 17,000 needles in data that looks encrypted and in JSON.
func BenchmarkStream(b *testing.B) {
	var needles []string
	for i := range 8500 {
		needles = append(needles, fmt.Sprintf("First%d Last%d", i*7919%9973, i), fmt.Sprintf("user%d.%d@example.com", i*31%997, i))
	}
	set, err := Compile(needles)
	if err != nil {
		b.Fatal(err)
	}
	random := make([]byte, 8<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	var text []byte
	for i := 0; len(text) < 8<<20; i++ {
		text = fmt.Appendf(text, "{\"id\":%d,\"name\":\"Somebody Unknown\",\"body\":\"line one\\nline two https:\\/\\/x.example\\/a%%20b=3\"}\n", i)
	}
	inputs := map[string][]byte{"random": random, "text": text}
	for name, data := range inputs {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				st := set.NewStream(func(Find) {})
				_, _ = st.Write(data)
				_ = st.Close()
			}
		})
	}
}
