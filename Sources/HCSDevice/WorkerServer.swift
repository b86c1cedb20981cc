import Glibc
package import HCSModel
import HCSSystem

/// The worker's side: reads requests, asks the backend, writes replies, until its input ends. One thread, no state but
/// the backend.
package struct WorkerServer: ~Copyable {
    private let backend: any VendorBackend
    private let vendor: Vendor
    private let search: LibrarySearch
    private var opened = false
    private var tried = false

    package init?(vendor: Vendor, search: LibrarySearch) {
        guard let type = VendorRegistry.backends[vendor] else { return nil }
        backend = type.init()
        self.vendor = vendor
        self.search = search
    }

    /// Answers one request. Whatever is asked first opens the library. What that library is and lacks can be told of one
    /// that does not start, too.
    package mutating func answer(_ request: WorkerProtocol.Request) -> Result<JSONValue, DeviceError> {
        do throws(DeviceError) {
            if !opened, request != .quit, request != .symbols || !tried { try open() }
            return .success(try value(request))
        } catch {
            return .failure(error)
        }
    }

    private mutating func open() throws(DeviceError) {
        tried = true
        try backend.open(search)
        opened = true
    }

    private func value(_ request: WorkerProtocol.Request) throws(DeviceError) -> JSONValue {
        switch request {
        case .hello:
            JSONValue(fields: [("vendor", .string(vendor.rawValue)), ("version", .string(HCSVersion.current))])
        case .inventory: try backend.inventory().json
        case .sample: JSONValue(fields: [("samples", .array(try backend.sample().map(\.json)))])
        case .symbols: backend.symbols.json
        case .quit: .bool(true)
        }
    }

    /// Serves requests from one descriptor to another until the input ends or `quit`. SIGTERM, blocked by the sandbox,
    /// ends the process only while it waits here: never inside a vendor's call (dcgm-exporter#84: an NVML client killed
    /// in a call can leave the driver's lock held).
    package mutating func serve(from input: Int32, to output: Int32) {
        var pending: [UInt8] = []
        var answered = 0
        serving: while waitReadable(input) {
            var chunk = [UInt8](repeating: 0, count: 512)
            let count = Glibc.read(input, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            pending += chunk.prefix(count)
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(pending[..<end])
                pending.removeSubrange(...end)
                let (number, request) = WorkerProtocol.parse(line) ?? (0, nil)
                let result =
                    request.map { answer($0) }
                    ?? .failure(DeviceError(.badRequest, "ask: NUMBER hello, inventory, sample, symbols or quit"))
                guard Self.write(WorkerProtocol.reply(number, result), to: output), request != .quit else {
                    break serving
                }
                answered += 1
                // Asked every second it is never idle: what the library's start and rare calls needed goes here.
                if answered % 64 == 4 { ThisProcess.unmapIdleCode() }
            }
            if pending.count > WorkerProtocol.maximumRequest { break }
        }
        backend.close()
    }

    /// A worker that nobody has asked for so long lets go of its code. One that is asked every second does so now and then.
    private static let idleSeconds = 2

    /// pselect(2) takes SIGTERM's block away for the wait only. (ppoll(2) would do it, but does not import.)
    private func waitReadable(_ descriptor: Int32) -> Bool {
        precondition(descriptor >= 0 && descriptor < 64, "a worker reads descriptor 0 or 3")
        var none = sigset_t()
        sigemptyset(&none)
        var isIdle = false
        while true {
            var readable = fd_set()
            withUnsafeMutableBytes(of: &readable) {
                $0.storeBytes(of: UInt64(1) << UInt64(descriptor), as: UInt64.self)
            }
            let count = withUnsafePointer(to: timespec(tv_sec: Self.idleSeconds, tv_nsec: 0)) {
                pselect(descriptor + 1, &readable, nil, nil, isIdle ? nil : $0, &none)
            }
            if count > 0 { return true }
            if count == 0 {
                isIdle = true
                ThisProcess.unmapIdleCode()
            }
            if count < 0, errno != EINTR { return false }
        }
    }

    /// Writes it all; false where nobody reads any more.
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
