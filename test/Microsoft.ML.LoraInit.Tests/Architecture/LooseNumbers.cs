using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>
/// Finds where a number is handed to libtorch as a <see cref="Scalar"/> that nothing keeps: a conversion in the source
/// (<c>x * 0.5</c>), or one inside the method of TorchSharp that is called (<c>a + b</c>, <c>x.square()</c>).
/// </summary>
internal static class LooseNumbers
{
    private const string Torch = nameof(TorchSharp);

    private static readonly Lazy<Makers> InTorchSharp = new(() => new(typeof(Scalar).Assembly.Location, Torch, nameof(Scalar)));

    /// <returns>File, line and expression of each.</returns>
    public static string[] Find(CSharpCompilation compilation, params string[] doors) =>
        [.. compilation.SyntaxTrees.AsParallel().AsOrdered().Where(t => !doors.Contains(t.FilePath)).SelectMany(t => Find(LibrarySources.Meaning(compilation, t), t))];

    private static IEnumerable<string> Find(SemanticModel model, SyntaxTree tree) =>
        from node in tree.GetRoot().DescendantNodes().OfType<ExpressionSyntax>()
        where IsConverted(model, node) || IsLoose(model, node)
        select $"{tree.FilePath}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}: {node}";

    private static bool IsConverted(SemanticModel model, ExpressionSyntax node) =>
        model.GetConversion(node).MethodSymbol is { ContainingType: { Name: nameof(Scalar), ContainingNamespace.Name: Torch } };

    private static bool IsLoose(SemanticModel model, ExpressionSyntax node) =>
        Methods(model, node).Select(m => (m.ReducedFrom ?? m).OriginalDefinition)
            .Any(m => m.ContainingAssembly?.Name == Torch && InTorchSharp.Value.Contains(m.MetadataToken) && !(m.ContainingType.Name == nameof(ScalarExtensionMethods) && IsHeld(node)));

    /// <summary>A method is meant where it is called, or handed on by its name.</summary>
    private static IEnumerable<IMethodSymbol> Methods(SemanticModel model, ExpressionSyntax node) =>
        node is AssignmentExpressionSyntax { RawKind: (int)SyntaxKind.SimpleAssignmentExpression } || IsNameOfNode(node) ? [] : model.GetSymbolInfo(node).Symbol switch
        {
            IMethodSymbol method => [method],
            IPropertySymbol property => new[] { property.GetMethod, property.SetMethod }.OfType<IMethodSymbol>(),
            _ => [],
        };

    /// <summary>What is called or accessed is found as the call or the access.</summary>
    private static bool IsNameOfNode(ExpressionSyntax node) =>
        node.Parent is InvocationExpressionSyntax call ? call.Expression == node : node.Parent is MemberAccessExpressionSyntax access && access.Name == node;

    /// <summary><c>using var s = x.ToScalar()</c>, which lives until it is disposed of.</summary>
    private static bool IsHeld(ExpressionSyntax node) => node.Parent?.Parent?.Parent?.Parent is LocalDeclarationStatementSyntax { UsingKeyword.RawKind: (int)SyntaxKind.UsingKeyword };
}
