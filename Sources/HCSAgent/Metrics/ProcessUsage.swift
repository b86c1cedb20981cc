import Glibc
import HCSSystem

/// What the agent's own process takes.
package struct ProcessUsage: Hashable, Sendable {
    package var startSeconds: Double
    package var residentBytes: UInt64
    package var processorSeconds: Double

    package init(startSeconds: Double, residentBytes: UInt64, processorSeconds: Double) {
        self.startSeconds = startSeconds
        self.residentBytes = residentBytes
        self.processorSeconds = processorSeconds
    }

    /// nil where /proc does not tell.
    static func read(startMilliseconds: Int64) -> ProcessUsage? {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0,
            let statm = try? SmallFile.text("/proc/self/statm", limit: 4096),
            let pages = statm.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) })
        else { return nil }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return ProcessUsage(
            startSeconds: Double(startMilliseconds) / 1000, residentBytes: pages * UInt64(sysconf(Int32(_SC_PAGESIZE))),
            processorSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }
}
