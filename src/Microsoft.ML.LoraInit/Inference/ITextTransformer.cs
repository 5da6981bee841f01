namespace Microsoft.ML.LoraInit;

/// <summary>A pipeline step that scores texts with a trained model, whatever computes it.</summary>
public interface ITextTransformer : ITransformer
{
    /// <summary>The column of the text that the step reads.</summary>
    string TextColumnName { get; }

    /// <summary>The column of the second text, for a model of pairs; null otherwise.</summary>
    string? Text2ColumnName { get; }
}
