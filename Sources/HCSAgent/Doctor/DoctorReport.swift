package import HCSModel

/// What this host offers the agent, as `hcs doctor` tells it.
package struct DoctorReport: Hashable, Sendable, Codable {
    package struct VendorFinding: Hashable, Sendable, Codable {
        package enum Result: String, Hashable, Sendable, Codable {
            case ok
            case absent = "none"
            /// The library is there and does not start, hangs or crashes.
            case fails
            /// Not looked for.
            case info
        }

        package var vendor: Vendor
        package var result: Result
        /// The library that was opened; nil = none.
        package var library: String?
        /// Functions found and the names of those that are missing.
        package var symbols: Int
        package var missingSymbols: [String]
        package var devices: Int
        /// In plain words.
        package var detail: String

        package init(
            vendor: Vendor, result: Result, library: String? = nil, symbols: Int = 0, missingSymbols: [String] = [],
            devices: Int = 0,
            detail: String
        ) {
            self.vendor = vendor
            self.result = result
            self.library = library
            self.symbols = symbols
            self.missingSymbols = missingSymbols
            self.devices = devices
            self.detail = detail
        }
    }

    package struct Check: Hashable, Sendable, Codable {
        package enum Result: String, Hashable, Sendable, Codable { case ok, missing, info }
        package var name: String
        package var result: Result
        package var detail: String

        package init(_ name: String, _ result: Result, _ detail: String) {
            self.name = name
            self.result = result
            self.detail = detail
        }
    }

    package var version: String
    package var host: String
    package var kernel: String
    package var architecture: String
    package var vendors: [VendorFinding]
    package var checks: [Check]
    package var summary: String
    package var facts: HostFacts

    package init(
        version: String, host: String, kernel: String, architecture: String, vendors: [VendorFinding], checks: [Check],
        summary: String, facts: HostFacts
    ) {
        self.version = version
        self.host = host
        self.kernel = kernel
        self.architecture = architecture
        self.vendors = vendors
        self.checks = checks
        self.summary = summary
        self.facts = facts
    }

    /// For people.
    package var text: String {
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        var lines = ["hcs-agent \(version) on \(host) (Linux \(kernel), \(architecture))", "", "Vendor libraries"]
        for vendor in vendors {
            lines.append(
                "  \(pad(vendor.result.rawValue, 9))\(pad(vendor.vendor.displayName, 15))\(vendor.detail)"
            )
            if !vendor.missingSymbols.isEmpty {
                lines.append("           missing functions: \(vendor.missingSymbols.joined(separator: " "))")
            }
        }
        lines += ["", "This host"]
        lines += checks.map { "  \(pad($0.result.rawValue, 9))\(pad($0.name, 17))\($0.detail)" }
        lines += ["", summary]
        return lines.joined(separator: "\n")
    }
}
