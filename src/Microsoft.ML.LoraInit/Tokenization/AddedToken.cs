namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>A token that is found in a text as it is written, before the text is cut into pieces (huggingface/tokenizers, added_vocabulary.rs).</summary>
/// <param name="Id">Its id, in the vocabulary or beyond it.</param>
/// <param name="Content">As it is written.</param>
/// <param name="SingleWord">Found only where no word goes on before or behind it.</param>
/// <param name="LStrip">White space before it belongs to it.</param>
/// <param name="RStrip">White space behind it belongs to it.</param>
/// <param name="Normalized">Looked for after those that are not.</param>
/// <param name="Special">A control token, such as the mask.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord = false, bool LStrip = false, bool RStrip = false, bool Normalized = false, bool Special = false);
