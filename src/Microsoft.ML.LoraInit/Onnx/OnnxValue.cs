namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>An input or output of a graph.</summary>
/// <param name="Name">What callers know it by.</param>
/// <param name="Type">The elements' type.</param>
/// <param name="Shape">Per axis a size, or the name of a size that varies.</param>
internal sealed record OnnxValue(string Name, OnnxType Type, params object[] Shape);
