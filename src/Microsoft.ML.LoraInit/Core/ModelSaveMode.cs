namespace Microsoft.ML.LoraInit;

/// <summary>What a saved model contains beside what training changed.</summary>
public enum ModelSaveMode
{
    /// <summary>The base model's id and SHA-256: a few MB, and the base must be found again where the model is loaded.</summary>
    AdapterOnly,

    /// <summary>The base model's weights and tokenizer: needs nothing else, and is as large as the base.</summary>
    SelfContained,
}
