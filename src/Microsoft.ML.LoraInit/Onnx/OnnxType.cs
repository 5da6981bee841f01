namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>Element types, with the numbers of <c>TensorProto.DataType</c>.</summary>
internal enum OnnxType
{
    Float = 1,
    Int8 = 3,
    Int64 = 7,
}
