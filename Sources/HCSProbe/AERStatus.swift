internal import CHCSProbe

/// The error registers of PCI Express Advanced Error Reporting, in the words of the kernel (drivers/pci/pcie/aer.c).
enum AERStatus {
    enum Severity: CaseIterable {
        /// The link repaired it.
        case correctable
        /// A transaction is lost; the link works.
        case nonFatal
        /// The link cannot be trusted.
        case fatal

        init?(_ code: UInt8) {
            switch UInt32(code) {
            case HCS_PCIE_NONFATAL.rawValue: self = .nonFatal
            case HCS_PCIE_FATAL.rawValue: self = .fatal
            case HCS_PCIE_CORRECTABLE.rawValue: self = .correctable
            default: return nil
            }
        }

        var words: String {
            switch self {
            case .correctable: "correctable"
            case .nonFatal: "non-fatal"
            case .fatal: "fatal"
            }
        }

        /// Of sysfs, below a function's directory.
        var counterFile: String {
            switch self {
            case .correctable: "aer_dev_correctable"
            case .nonFatal: "aer_dev_nonfatal"
            case .fatal: "aer_dev_fatal"
            }
        }

        var severity: HostEvent.Severity {
            switch self {
            case .correctable: .warning
            case .nonFatal: .error
            case .fatal: .fatal
            }
        }
    }

    /// Names of the bits that are set.
    static func names(of status: UInt32, _ severity: Severity) -> [String] {
        let table = severity == .correctable ? correctable : uncorrectable
        return table.filter { status >> $0.bit & 1 == 1 }.map(\.name)
    }

    private static let correctable: [(bit: UInt32, name: String)] = [
        (0, "RxErr"), (6, "BadTLP"), (7, "BadDLLP"), (8, "Rollover"), (12, "Timeout"), (13, "NonFatalErr"),
        (14, "CorrIntErr"), (15, "HeaderOF"),
    ]
    private static let uncorrectable: [(bit: UInt32, name: String)] = [
        (0, "Undefined"), (4, "DLP"), (5, "SDES"), (12, "TLP"), (13, "FCP"), (14, "CmpltTO"), (15, "CmpltAbrt"),
        (16, "UnxCmplt"), (17, "RxOF"), (18, "MalfTLP"), (19, "ECRC"), (20, "UnsupReq"), (21, "ACSViol"),
        (22, "UncorrIntErr"), (23, "BlockedTLP"), (24, "AtomicOpBlocked"), (25, "TLPBlockedErr"),
        (26, "PoisonTLPBlocked"),
    ]
}
