using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Neighbouring rows of a batch that one adapter corrects, or several adapters of one form together.</summary>
/// <param name="Adapter">The adapter, or the adapters.</param>
/// <param name="Start">The first row.</param>
/// <param name="Rows">How many.</param>
internal readonly record struct AdapterSlice(IAdapterCorrections Adapter, int Start, int Rows);

/// <summary>What adapters change beside a base that stays as it is, and that other adapters share.</summary>
internal interface IAdapterCorrections
{
    /// <summary>Whether it changes one of these layers' products.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="modules">Layers within it.</param>
    bool Corrects(int layer, ReadOnlySpan<EncoderModule> modules);

    /// <summary>Corrects the products of layers that have one input, in place.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="modules">The layers within it, in the block's order.</param>
    /// <param name="x">Their input, [rows, length, in].</param>
    /// <param name="y">Their products side by side, all of one width: [rows, length, modules · out], a view.</param>
    void Correct(int layer, ReadOnlySpan<EncoderModule> modules, Tensor x, Tensor y);
}
