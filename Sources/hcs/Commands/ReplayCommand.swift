import ArgumentParser
import Foundation
import HCSPlacement

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Replay a trace of a GPU cluster through the placement core.",
        discussion: """
            Reads nodes and pods in the openb format (Alibaba cluster-trace-gpu-v2023). The pods arrive in an order that \
            the seed gives and stay; one that fits nowhere is dropped. With --tune more pods of the list follow until \
            the demand for devices is that many times what there is. Nothing is asked of a scheduler.

            Ends with 70 where the core refused a pod that fits somewhere, or granted something twice.

            Examples:
              hcs replay --nodes nodes.csv --pods pods.csv --tune 1.3 --seed 42..51
              hcs replay --nodes nodes.csv --pods pods.csv --tune 1.3 --policy bestfit --policy fgd --policy esg \
            --seed 42..51 --csv replay.csv --svg replay.svg
            """)

    @Option(help: "CSV file of nodes: sn,cpu_milli,memory_mib,gpu,model.")
    var nodes: String

    @Option(help: "CSV file of pods: name,cpu_milli,memory_mib,num_gpu,gpu_milli and, if bound to models, gpu_spec.")
    var pods: String

    @Option(help: "bestfit, fgd or esg; repeat it to compare. Without it \(PackingPolicy.standard.rawValue).")
    var policy: [PackingPolicy] = []

    @Option(help: "Demand for devices over capacity, such as 1.3. Without it the list is replayed as it is.")
    var tune: Double?

    @Option(help: "Seeds: 42, 42..51 or 1,2,7; at most \(SeedList.limit).")
    var seed = SeedList(seeds: [42])

    @Option(help: "Also write the curves of all runs to this CSV file.")
    var csv: String?

    @Option(help: "Also write the plot to this SVG file.")
    var svg: String?

    func run() async throws {
        let trace = try Self.bad { try load() }
        for (model, lines) in trace.absentModels.sorted(by: { $0.key < $1.key }) {
            let note = "note: no node has model '\(Format.printable(model))', which \(lines) pods would also take\n"
            FileHandle.standardError.write(Data(note.utf8))
        }
        var report = ReplayReport(title: title(trace))
        var progress = ReplayProgress(runs: max(1, policy.count) * seed.seeds.count)
        var decisions = 0
        var elapsed = Duration.zero
        for policy in policy.isEmpty ? [.standard] : policy {
            for seed in seed.seeds {
                var replay = try Self.bad { try TraceReplay(trace, policy: policy, tune: tune, seed: seed) }
                let start = ContinuousClock.now
                while !replay.isDone {
                    replay.advance(1000)
                    progress.show(replay)
                }
                elapsed += ContinuousClock.now - start
                decisions += replay.done
                report.add(replay)
                progress.runDone()
            }
        }
        progress.clear()
        print(report.text, terminator: "")
        let perSecond = Int((Double(decisions) / max(elapsed / .seconds(1), 1e-9)).rounded())
        print("\n\(decisions) decisions, \(perSecond) a second with the replay's own checks")
        if let csv { try Self.write(report.csv, to: csv) }
        if let svg { try Self.write(report.svg, to: svg) }
        guard report.violations == 0 else {
            throw CommandFailure(
                .software, "\(report.violations) violations: the core refused what fits or granted something twice")
        }
    }

    private func title(_ trace: Trace) -> String {
        let name = URL(fileURLWithPath: pods).lastPathComponent
        let demand = tune.map { "demand \(Int(($0 * 100).rounded())) %" } ?? "as listed"
        return "\(Format.printable(name)): \(trace.pods.count) pods, \(trace.nodes.count) nodes, "
            + "\(trace.capacity / 1000) devices, \(demand), \(seed.seeds.count) seeds"
    }

    // MARK: Files

    /// Larger than any trace that was published.
    private static let byteLimit = 256 << 20

    private func load() throws -> Trace {
        try Trace(
            nodes: Self.read(nodes), called: Format.printable(nodes), pods: Self.read(pods),
            called: Format.printable(pods))
    }

    private static func read(_ path: String) throws -> String {
        let data: Data
        do {
            guard let file = FileHandle(forReadingAtPath: path) else { throw CocoaError(.fileReadNoSuchFile) }
            data = try file.read(upToCount: byteLimit + 1) ?? Data()
        } catch { throw CommandFailure(.noSuchThing, "'\(Format.printable(path))' cannot be read") }
        guard data.count <= byteLimit else {
            throw CommandFailure(.badData, "'\(Format.printable(path))' is larger than 256 MiB")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw CommandFailure(.badData, "'\(Format.printable(path))' is not UTF-8 text")
        }
        return text
    }

    private static func write(_ text: String, to path: String) throws {
        do { try text.write(toFile: path, atomically: true, encoding: .utf8) } catch {
            throw CommandFailure(.noPermission, "'\(Format.printable(path))' cannot be written")
        }
    }

    private static func bad<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as TraceError {
            throw CommandFailure(.badData, error.description)
        } catch let error as ReplayProblem { throw CommandFailure(.badData, error.description) }
    }
}

extension PackingPolicy: ExpressibleByArgument {}

struct SeedList: ExpressibleByArgument {
    var seeds: [UInt64]

    static let limit = 1000

    init(seeds: [UInt64]) { self.seeds = seeds }

    init?(argument: String) {
        seeds = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: ".", omittingEmptySubsequences: false)
            let range = ends.count == 3 && ends[1].isEmpty
            guard let first = UInt64(ends[0]), range || ends.count == 1, let last = range ? UInt64(ends[2]) : first,
                first <= last, last - first < UInt64(Self.limit)
            else { return nil }
            seeds += first...last
        }
        guard seeds.count <= Self.limit, Set(seeds).count == seeds.count else { return nil }
    }

    var defaultValueDescription: String { seeds.map(String.init).joined(separator: ",") }
}

/// Says on standard error how far a long replay is: in place on a terminal, else a line each ten seconds.
private struct ReplayProgress {
    let runs: Int
    private var done = 0
    private var last = ContinuousClock.now
    private var isShown = false
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(runs: Int) { self.runs = runs }

    mutating func show(_ replay: TraceReplay) {
        guard ContinuousClock.now - last > (isTerminal ? .milliseconds(200) : .seconds(10)) else { return }
        last = .now
        let percent = 100 * replay.done / max(1, replay.arrivals.count)
        let line = "run \(done + 1) of \(runs): \(replay.policy.rawValue), seed \(replay.seed), \(percent) %"
        say(isTerminal ? "\r\u{1b}[K\(line)" : line + "\n")
        isShown = isTerminal
    }

    mutating func runDone() { done += 1 }

    func clear() { if isShown { say("\r\u{1b}[K") } }

    private func say(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
