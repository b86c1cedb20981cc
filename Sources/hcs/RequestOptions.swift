import ArgumentParser
import Foundation
import HCSModel
import HCSSystem
import HCSYAML

/// A request for a workload: a file, flags, or a file with flags over it.
struct RequestOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("YAML file with the request; flags go over it.", valueName: "file"), completion: .file())
    var file: String?

    @Option(name: .long, help: "Name of the workload: 1 to 63 of a-z 0-9 - and dot.")
    var name: String?

    @Option(name: .long, help: "The runtime the program is written for: cuda, acl, hip or cnrt.")
    var runtime: Runtime?

    @Option(
        name: .long, help: ArgumentHelp("Memory it may use of each device, such as 8Gi.", valueName: "size"),
        transform: { try Amounts.size($0) })
    var vram: ByteCount?

    @OptionGroup(title: "Placement") var placement: PlacementOptions

    @Option(name: .long, help: ArgumentHelp("Environment variable; may be repeated.", valueName: "key=value"))
    var env: [String] = []

    @Option(name: .long, help: ArgumentHelp("Working directory.", valueName: "directory"))
    var cwd: String?

    @Option(name: .long, help: "Start again when: never, on-failure or on-device-fault (default).")
    var restart: RestartPolicy?

    @Option(
        name: .long,
        help: ArgumentHelp("Signal that asks it to end, by name or number. Default: TERM.", valueName: "signal"))
    var stopSignal: StopSignal?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Time between that signal and SIGKILL: 10, 10s, 5m, 1h. Default: 10s.", valueName: "time"))
    var grace: Seconds?

    @Option(name: .long, help: ArgumentHelp("Longest time it may run; no limit when left out.", valueName: "time"))
    var maxRun: Seconds?

    /// The request, checked before anything is sent.
    /// - Parameters:
    ///   - command: the program and its arguments; empty = the file's.
    ///   - directory: the caller's.
    func spec(command: [String], directory: String, environment: [String: String]) throws -> WorkloadSpec {
        var document = try self.document()
        if let name { document.set("name", to: name) }
        if let runtime { document.set("runtime", to: runtime.rawValue) }
        if let vram { document.set("vram", to: "\(vram.bytes)") }
        if !command.isEmpty { document.set("command", to: command) }
        // A whole device needs no size.
        if placement.whole, !document.has("vram") { document.set("vram", to: "0") }
        for (key, flag) in [("name", "--name"), ("runtime", "--runtime"), ("vram", "--vram")]
        where file == nil && !document.has(key) { throw CommandFailure(.usage, "\(flag) is missing") }
        guard file != nil || document.has("command") else {
            throw CommandFailure(.usage, "say what to run after '--': hcs submit … -- program args")
        }
        var spec = try document.decode(WorkloadSpec.self)
        try placement.apply(to: &spec.placement)
        spec.environment.merge(try variables()) { $1 }
        if let cwd { spec.workingDirectory = Self.absolute(cwd, directory) }
        if let restart { spec.restart = restart }
        if let stopSignal { spec.stopSignal = stopSignal.number }
        if let grace { spec.graceSeconds = grace.count }
        if let maxRun { spec.maximumRunSeconds = maxRun.count }
        if let program = spec.command.first {
            spec.command[0] = Self.locate(
                program, directory: directory, path: environment["PATH"] ?? "/usr/bin:/bin")
        }
        do throws(ModelError) { try spec.validate() } catch {
            throw file.map { CommandFailure(.badData, "\($0): \(error.message)") } ?? error
        }
        return spec
    }

    private func document() throws -> YAMLDocument {
        guard let file else { return try YAMLDocument("", name: "request") }
        let bytes: [UInt8]
        do { bytes = try SmallFile.read(file) } catch { throw CommandFailure(.noSuchThing, error.message) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure(.badData, "\(file) is not UTF-8")
        }
        return try YAMLDocument(text, name: file)
    }

    private func variables() throws -> [String: String] {
        var variables: [String: String] = [:]
        for pair in env {
            guard let mark = pair.firstIndex(of: "="), mark != pair.startIndex else {
                throw CommandFailure(.usage, "--env '\(pair)' is not understood: write it as NAME=value")
            }
            variables[String(pair[..<mark])] = String(pair[pair.index(after: mark)...])
        }
        return variables
    }

    private static func absolute(_ path: String, _ directory: String) -> String {
        URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: directory, isDirectory: true)).standardizedFileURL
            .path
    }

    /// An absolute path where this host knows one: the agent has no business with the submitter's PATH.
    private static func locate(_ program: String, directory: String, path: String) -> String {
        if program.isEmpty || program.hasPrefix("/") { return program }
        if program.contains("/") { return absolute(program, directory) }
        return path.split(separator: ":").lazy.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 } ?? program
    }
}
