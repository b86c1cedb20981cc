/// The version of every program of this package, and of the API they speak.
package enum HCSVersion {
    package static let current = "0.1.0"
    package static let api = "v1"
}
