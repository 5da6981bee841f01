namespace Microsoft.ML.LoraInit;

/// <summary>One of an adapter's two factors, or neither.</summary>
public enum AdapterFactor
{
    /// <summary>Neither.</summary>
    None,

    /// <summary>A [r, in], which the layer's input meets first.</summary>
    A,

    /// <summary>B [out, r].</summary>
    B,
}
