package main

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/big"
)

// PodTopologySpread weighs a topology by math.Log(size + 2), and the product is rounded to a whole score, so a logarithm
// that differs in its last bit can move a pod. The vectors pin every value for sizes up to 200,000.
const (
	logFirst = 2
	logLast  = 200_002
	// logBlock is how many values one hash covers.
	logBlock = 1000
	// logSampleStep is the distance between the values written out in full.
	logSampleStep = 997
	// logPrecision in bits; 53 would do for all but the hardest roundings.
	logPrecision = 192
)

// logFile is the content of log.json.
type logFile struct {
	First int `json:"first"`
	Last  int `json:"last"`
	Block int `json:"block"`
	// Blocks are FNV-1a 64 hashes, in hex, of the little-endian bits of each block's values.
	Blocks []string `json:"blocks"`
	// Samples are [n, bits in hex] pairs.
	Samples [][2]any `json:"samples"`
	// OneAbove and OneBelow list n where Go's value is one unit in the last place above or below the correctly rounded one.
	OneAbove []int `json:"oneAbove"`
	OneBelow []int `json:"oneBelow"`
}

func logVectors() ([]byte, error) {
	file := logFile{First: logFirst, Last: logLast, Block: logBlock, OneAbove: []int{}, OneBelow: []int{}}
	exact := exactLogs(logLast)
	hash := fnv.New64a()
	for n := logFirst; n <= logLast; n++ {
		bits := math.Float64bits(math.Log(float64(n)))
		var raw [8]byte
		binary.LittleEndian.PutUint64(raw[:], bits)
		hash.Write(raw[:])
		if (n-logFirst)%logBlock == logBlock-1 || n == logLast {
			file.Blocks = append(file.Blocks, fmt.Sprintf("%016x", hash.Sum64()))
			hash.Reset()
		}
		if (n-logFirst)%logSampleStep == 0 {
			file.Samples = append(file.Samples, [2]any{n, fmt.Sprintf("%016x", bits)})
		}
		correct, _ := exact[n].Float64()
		switch difference := int64(bits) - int64(math.Float64bits(correct)); difference {
		case 0:
		case 1:
			file.OneAbove = append(file.OneAbove, n)
		case -1:
			file.OneBelow = append(file.OneBelow, n)
		default:
			return nil, fmt.Errorf("the logarithm of %d is off by %d units in the last place", n, difference)
		}
	}
	text, err := compact(file)
	return append(text, '\n'), err
}

// exactLogs computes the natural logarithms of 1..last to logPrecision bits: a composite's from its factors, a prime's from
// the number before it by ln p = ln(p-1) + 2 artanh(1/(2p-1)).
func exactLogs(last int) []*big.Float {
	factor := make([]int, last+1)
	for prime := 2; prime <= last; prime++ {
		if factor[prime] != 0 {
			continue
		}
		for multiple := prime; multiple <= last; multiple += prime {
			if factor[multiple] == 0 {
				factor[multiple] = prime
			}
		}
	}
	logs := make([]*big.Float, last+1)
	logs[1] = new(big.Float).SetPrec(logPrecision)
	for n := 2; n <= last; n++ {
		if p := factor[n]; p < n {
			logs[n] = new(big.Float).SetPrec(logPrecision).Add(logs[p], logs[n/p])
		} else {
			logs[n] = artanhOfReciprocal(int64(2*n - 1))
			logs[n].Mul(logs[n], big.NewFloat(2))
			logs[n].Add(logs[n], logs[n-1])
		}
	}
	return logs
}

// artanhOfReciprocal is the sum of 1/((2k+1) x^(2k+1)).
func artanhOfReciprocal(x int64) *big.Float {
	real := func(n int64) *big.Float { return new(big.Float).SetPrec(logPrecision).SetInt64(n) }
	power := new(big.Float).Quo(real(1), real(x))
	square := real(x * x)
	sum := new(big.Float).SetPrec(logPrecision)
	for k := int64(0); power.MantExp(nil) > -logPrecision; k++ {
		sum.Add(sum, new(big.Float).Quo(power, real(2*k+1)))
		power = new(big.Float).Quo(power, square)
	}
	return sum
}
