namespace Microsoft.ML.LoraInit;

/// <summary>How the weights of the frozen base's linear layers are held.</summary>
public enum BaseQuantization
{
    /// <summary>In the run's precision.</summary>
    None,

    /// <summary>In 4 bits: NormalFloat-4 in blocks of 64 with double quantisation (arXiv 2305.14314), 4.127 bits a weight.</summary>
    Nf4,
}
