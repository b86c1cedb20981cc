import Glibc
package import HCSModel
import HCSSystem

/// `hcs-vendor-worker --measure`: measures one device or the processors, writes one reply line and ends. A process of its
/// own: a vendor's library may hang, crash or take hundreds of megabytes, and none of that reaches the agent.
struct MeasurementProgram {
    private var subject: MeasurementSubject?
    private var device: String?
    private var search = LibrarySearch.host
    private var milliseconds: UInt32 = 6000
    private var memoryLimit = MeasurementLimits.memory

    static let usage =
        "usage: hcs-vendor-worker --measure cpu|VENDOR [--device UUID] [--library-directory DIR] [--milliseconds N]\n"
        + "                         [--memory-limit BYTES]\n"

    /// Returns the exit code: 64 for arguments that are not understood, 1 for a measurement that failed.
    static func run(_ arguments: [String]) -> Int32 {
        var program = MeasurementProgram()
        if let problem = program.read(arguments) {
            _ = WorkerServer.write(Array("hcs-vendor-worker: \(problem)\n\(usage)".utf8), to: STDERR_FILENO)
            return 64
        }
        return program.measure()
    }

    private mutating func read(_ arguments: [String]) -> String? {
        var left = arguments[...]
        while let argument = left.popFirst() {
            let value = left.popFirst()
            switch argument {
            case "--measure":
                subject = value.flatMap { MeasurementSubject($0) }
                if subject == nil { return "--measure needs cpu or a vendor" }
            case "--device":
                guard let value, PrintableText.isIdentity(value) else { return "--device needs an identity" }
                device = value
            case "--library-directory":
                guard let value, value.hasPrefix("/") else { return "--library-directory needs an absolute path" }
                search = .directory(value)
            case "--milliseconds":
                guard let number = value.flatMap({ UInt32($0) }), (1...600_000).contains(number) else {
                    return "--milliseconds needs 1 to 600000"
                }
                milliseconds = number
            case "--memory-limit":
                guard let number = value.flatMap({ UInt64($0) }) else { return "--memory-limit needs a number" }
                memoryLimit = number
            default: return "'\(argument)' is not understood"
            }
        }
        if subject == .vendor(.nvidia), device == nil { return "--device says which one" }
        return nil
    }

    private func measure() -> Int32 {
        let socket = WorkerSandbox.claimSocket()
        ThisProcess.refuseNewPrivileges()
        ThisProcess.disableCoreFiles()
        ThisProcess.nameThread("hcs-measure")
        signal(SIGPIPE, SIG_IGN)
        // Whoever started this waits for less; should it be gone, nothing here outlives it for long.
        alarm(milliseconds / 1000 + UInt32(MeasurementLimits.startSeconds) + 60)
        let result = figures()
        _ = WorkerServer.write(WorkerProtocol.reply(1, result), to: socket ?? STDOUT_FILENO)
        return if case .success = result { 0 } else { 1 }
    }

    private func figures() -> Result<JSONValue, DeviceError> {
        do throws(DeviceError) {
            switch subject {
            case .cpu: return .success(try CPUMeasurement.measure(milliseconds, memoryLimit: memoryLimit).json)
            case .vendor(.nvidia):
                let measurement = try CUDAMeasurement(
                    search, device: device ?? "", milliseconds: milliseconds, memoryLimit: memoryLimit)
                return .success(try measurement.run().json)
            case .vendor, nil: throw DeviceError(.symbolsMissing, MeasurementSubject.untested)
            }
        } catch {
            return .failure(error)
        }
    }
}

/// What can be measured.
package enum MeasurementSubject: Hashable, Sendable {
    case cpu
    case vendor(Vendor)

    /// Why the other vendors' devices are not measured: their libraries could not be tried here.
    package static let untested = "not testable here: no such device was at hand when this was written"

    init?(_ text: String) {
        if text == "cpu" {
            self = .cpu
        } else if let vendor = Vendor(rawValue: text) {
            self = .vendor(vendor)
        } else {
            return nil
        }
    }

    var text: String {
        switch self {
        case .cpu: "cpu"
        case .vendor(let vendor): vendor.rawValue
        }
    }
}

package enum MeasurementLimits {
    /// Bytes of device memory, or of host memory for the processors: enough for full speed on the largest card.
    package static let memory = UInt64(2) << 30
    /// For the start of libcuda and cuBLAS: their kernels are loaded from a file of some hundred megabytes.
    package static let startSeconds = 30
}

/// What one measurement brought: without identity and time, which the process that measures does not know.
package struct MeasuredFigures: Hashable, Sendable {
    package var tflops: [Precision: Double] = [:]
    package var bandwidthGBps: Double?
    package var method: String
    package var notes: [String] = []

    package init(method: String) { self.method = method }
}
