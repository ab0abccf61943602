package main
import ("io";"os")
const swarmCommand="swarm"
func runSwarm(_ []string, _ io.Reader,_ *os.File,_ io.Writer) int {return 0}
