namespace Microsoft.ML.LoraInit.Core;

/// <summary>The forms of low-rank correction.</summary>
internal enum AdapterKind
{
    /// <summary>W + s·B·A (arXiv 2106.09685).</summary>
    Lora,

    /// <summary>The direction of W + s·B·A with a trained length a row (arXiv 2402.09353).</summary>
    Dora,

    /// <summary>W + s·B·N·A (arXiv 2502.14482).</summary>
    ThreeMatrix,
}
