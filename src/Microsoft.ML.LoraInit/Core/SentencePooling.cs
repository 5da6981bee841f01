namespace Microsoft.ML.LoraInit;

/// <summary>How the states of a text's tokens become one vector.</summary>
public enum SentencePooling
{
    /// <summary>
    /// The mean of the last layer's states over all tokens, the special ones included, as sentence-transformers and the models that are
    /// trained for it (multilingual-e5) have it. The choice for a base without training of its own.
    /// </summary>
    Mean,

    /// <summary>The last layer's state of the first token, <c>&lt;s&gt;</c>, as bge-m3 has it.</summary>
    FirstToken,

    /// <summary>
    /// What the last layer of a trained model's head takes: the hyperbolic tangent of its dense layer over the first token's state. Where
    /// texts of one class lie closest together. A base alone has no such head.
    /// </summary>
    HeadInput,
}
