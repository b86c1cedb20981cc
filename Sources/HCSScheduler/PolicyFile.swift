import Foundation
import HCSModel
package import HCSPlacement
import HCSSystem
import HCSYAML

/// `scheduler.yaml` of the configuration directory.
package enum PolicyFile {
    static let name = "scheduler.yaml"

    /// The default policy where there is no file; one that cannot be used ends the start.
    package static func load(directory: String) throws(SchedulerError) -> (policy: QueuePolicy, path: String?) {
        let path = directory + "/" + name
        guard FileManager.default.fileExists(atPath: path) else { return (QueuePolicy(), nil) }
        let bytes: [UInt8]
        do { bytes = try SmallFile.read(path, limit: YAMLDocument.maximumBytes) } catch {
            throw SchedulerError(.configuration, "cannot read \(path): \(error)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SchedulerError(.configuration, "\(path) is not UTF-8")
        }
        do throws(ModelError) { return (try YAMLDocument(text, name: path).decode(QueuePolicy.self), path) } catch {
            throw SchedulerError(.configuration, error.message)
        }
    }
}
