internal import CHCSProbe
internal import HCSSystem

/// Hardware errors that the firmware reports (ACPI APEI): the tracepoint ras:non_standard_event for the sections that the
/// kernel has no handler for, or what the kernel says of every record in its log (no counters exist).
final class FirmwareRecords: EventSource {
    static let name = "firmware-records"
    static let tracepoint: String? = "ras:non_standard_event"
    static let program: StaticString? = EmbeddedPrograms.firmwareRecord
    static let interval: Int32 = 5000

    private let path: String?
    private var log: KernelLog?

    init(options: ProbeOptions) { path = options.kernelLogPath }

    // MARK: Program

    func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_firmware_record_event.self) else { return nil }
        let severity: HostEvent.Severity
        switch UInt32(event.severity) {
        case HCS_FIRMWARE_INFO.rawValue: severity = .info
        case HCS_FIRMWARE_CORRECTED.rawValue: severity = .warning
        case HCS_FIRMWARE_RECOVERABLE.rawValue: severity = .error
        default: severity = .fatal
        }
        let section = withUnsafeBytes(of: event.section) { Self.guid(Array($0)) }
        let unit = Self.text(event.fru)
        let place = unit.isEmpty ? "" : " of \(unit)"
        return .host(
            HostEvent(
                .firmwareRecord, seen: .program(atNanoseconds: event.ktime_ns), severity: severity, codes: [section],
                message: "firmware error record\(place), section \(section), \(event.length) bytes"))
    }

    /// UEFI: the first three fields are little-endian.
    static func guid(_ bytes: [UInt8]) -> String {
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        let digits = order.map { index in
            let byte = String(index < bytes.count ? bytes[index] : 0, radix: 16)
            return byte.utf8.count == 1 ? "0" + byte : byte
        }
        return [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
            .map { $0.joined() }.joined(separator: "-")
    }

    // MARK: Files

    /// Records of the log in one look, at most; a storm's rest is read in the next.
    private static let readLimit = 4096

    func look() -> FileLook {
        guard let path else { return FileLook(coverage: .nothing("the kernel log is not to be looked at")) }
        do throws(SystemError) {
            let records = try read(path)
            return FileLook(events: records.compactMap(Self.event), coverage: .reads("hardware errors in \(path)"))
        } catch {
            log = nil
            return FileLook(coverage: .nothing("\(error)"))
        }
    }

    private func read(_ path: String) throws(SystemError) -> [KernelLogRecord] {
        if log == nil { log = try KernelLog(path: path, start: .now) }
        return try log?.readAvailable(limit: Self.readLimit).records ?? []
    }

    private static func event(_ record: KernelLogRecord) -> ProbeEvent? {
        guard !record.fromUserSpace, let severity = severity(of: record.text) else { return nil }
        return .host(
            HostEvent(.firmwareRecord, seen: .polling(), severity: severity, message: record.text))
    }

    /// Of `{1}[Hardware Error]: event severity: recoverable` (drivers/firmware/efi/cper.c): one such line for each record.
    static func severity(of line: String) -> HostEvent.Severity? {
        guard line.hasPrefix("{"), let brace = line.firstIndex(of: "}"),
            UInt32(line[line.index(after: line.startIndex)..<brace]) != nil
        else { return nil }
        let start = "[Hardware Error]: event severity: "
        let rest = line[line.index(after: brace)...]
        guard rest.hasPrefix(start) else { return nil }
        switch rest.dropFirst(start.count).prefix(while: { $0 != " " && $0 != "\n" }) {
        case "info": return .info
        case "corrected": return .warning
        case "recoverable": return .error
        case "fatal": return .fatal
        default: return nil
        }
    }
}
