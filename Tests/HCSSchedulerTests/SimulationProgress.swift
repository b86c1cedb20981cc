import Foundation
import Testing

/// Tells how far a long simulation is: a line for each seed at its end, and before that one now and then.
struct SimulationProgress {
    let seed: UInt64
    let steps: Int
    private var last = 0.0
    private var lastStep = 0

    static let intervalSeconds = 10.0
    /// `make simulate-queue` asks for it; within `make test` nothing is written.
    static let isWanted = ProcessInfo.processInfo.environment["HCS_SIMULATION_PROGRESS"] == "1"

    init(seed: UInt64, steps: Int) {
        self.seed = seed
        self.steps = steps
    }

    /// - Parameter seconds: since the start.
    /// - Returns: nil = it is too early for another line.
    mutating func line(step: Int, events: Int, placed: Int, seconds: Double) -> String? {
        guard step == steps || seconds - last >= Self.intervalSeconds else { return nil }
        // Of the time since the last line: a run slows down as more is remembered. At the end, of all of it.
        let isDone = step == steps
        let span = isDone ? seconds : seconds - last
        let rate = Double(isDone ? step : step - lastStep) / max(span, 0.001)
        (last, lastStep) = (seconds, step)
        return
            "seed \(seed): \(isDone ? "done" : "step \(step)") of \(steps), \(String(format: "%.0f", rate)) steps/s, "
            + "\(events) events, \(placed) placed now, \(Int(seconds)) s"
    }

    /// In one write, so that lines of seeds that run at once stay whole.
    static func tell(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}

@Suite struct SimulationProgressTests {
    @Test func `a long simulation tells now and then how fast it is, and once at its end`() {
        var progress = SimulationProgress(seed: 3, steps: 100)
        func line(_ step: Int, _ seconds: Double) -> String? {
            progress.line(step: step, events: 2 * step, placed: 7, seconds: seconds)
        }
        #expect(line(1, 0.1) == nil)
        #expect(line(40, 10) == "seed 3: step 40 of 100, 4 steps/s, 80 events, 7 placed now, 10 s")
        #expect(line(41, 15) == nil)
        #expect(line(60, 20) == "seed 3: step 60 of 100, 2 steps/s, 120 events, 7 placed now, 20 s")
        #expect(line(100, 25) == "seed 3: done of 100, 4 steps/s, 200 events, 7 placed now, 25 s")
    }
}
