import ArgumentParser
import Foundation

/// Who gives an order, as others will read it. The admin token proves the right to give it, not the name.
struct Caller: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Who orders it. Default: this user and host.", valueName: "name"))
    var by: String?

    var name: String {
        if let by { return by }
        let sudo = ProcessInfo.processInfo.environment["SUDO_USER"].flatMap { $0.isEmpty ? nil : $0 }
        return "\(sudo ?? NSUserName())@\(ProcessInfo.processInfo.hostName)"
    }
}
