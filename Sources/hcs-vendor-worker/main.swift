import Glibc
import HCSDevice

exit(WorkerProgram.run(Array(CommandLine.arguments.dropFirst())))
