import Glibc
import HCSModel

/// The program `hcs-vendor-worker`: asks one vendor's management library. Started by the agent with a socket as
/// descriptor 3; by hand it reads requests from standard input.
package struct WorkerProgram {
    private var vendor: Vendor?
    private var search = LibrarySearch.host
    private var describes = false

    private static let usage =
        "usage: hcs-vendor-worker --vendor NAME [--library-directory DIR] [--describe]\n"

    /// Runs to its end. Returns the exit code: 64 for arguments that are not understood.
    package static func run(_ arguments: [String]) -> Int32 {
        if arguments.first == "--measure" { return MeasurementProgram.run(arguments) }
        if arguments.contains("--help") || arguments.contains("-h") {
            _ = WorkerServer.write(Array((usage + MeasurementProgram.usage).utf8), to: STDOUT_FILENO)
            return 0
        }
        var program = WorkerProgram()
        if let problem = program.read(arguments) {
            _ = WorkerServer.write(Array("hcs-vendor-worker: \(problem)\n\(usage)".utf8), to: STDERR_FILENO)
            return 64
        }
        return program.serve()
    }

    /// Returns what is wrong with the arguments.
    private mutating func read(_ arguments: [String]) -> String? {
        var left = arguments[...]
        while let argument = left.popFirst() {
            switch argument {
            case "--vendor":
                vendor = left.popFirst().flatMap { Vendor(rawValue: $0) }
            case "--library-directory":
                guard let directory = left.popFirst(), directory.hasPrefix("/") else {
                    return "--library-directory needs an absolute path"
                }
                search = .directory(directory)
            case "--describe": describes = true
            default: return "'\(argument)' is not understood"
            }
        }
        let names = Vendor.allCases.map(\.rawValue).joined(separator: ", ")
        return vendor == nil ? "--vendor needs one of \(names)" : nil
    }

    private func serve() -> Int32 {
        guard let vendor, var server = WorkerServer(vendor: vendor, search: search) else { return 64 }
        // By hand the answers go where the person looks.
        let socket = describes ? nil : WorkerSandbox.claimSocket()
        WorkerSandbox.enter(vendor: vendor)
        guard describes else {
            server.serve(from: socket ?? STDIN_FILENO, to: socket ?? STDOUT_FILENO)
            return 0
        }
        for (number, request) in [WorkerProtocol.Request.symbols, .inventory, .sample].enumerated() {
            _ = WorkerServer.write(WorkerProtocol.reply(UInt64(number), server.answer(request)), to: STDOUT_FILENO)
        }
        return 0
    }
}
