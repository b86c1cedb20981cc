import ArgumentParser
import HCSModel

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version of this program and of the API it speaks.")

    func run() { print("hcs \(HCSVersion.current), API \(HCSVersion.api)") }
}
